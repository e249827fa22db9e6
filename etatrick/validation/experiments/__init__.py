"""The computations behind the claims: each part returns JSON-ready results and fixes its margins in advance."""
