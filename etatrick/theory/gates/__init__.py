"""Gate laws: masks with parameters of their own, whose duality is a minimum over those parameters."""
