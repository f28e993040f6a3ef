"""The colours that figures are made of."""

# Okabe and Ito's palette: distinguishable with every common colour blindness, and in grey by order.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE, GREY = "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#8c8c8c"
