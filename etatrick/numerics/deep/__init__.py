"""Deep linear networks with dropout, exactly: regulariser, induced regulariser, global optimum, attaining weights."""
