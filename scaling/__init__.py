"""How a network is scaled: α, β, γ, the grid that finds them, and the family they give."""
