"""Colours that mean something, told apart by colour-blind people too.

Blue, orange, red and purple after the palette of Okabe and Ito (2008), as dark as it takes to read white on them
and them on white and on black, and as far apart as a test asks for with each kind of colour blindness. Nothing is
said by a colour alone: there is always a word or a number with it.
"""

CHARGING = "#2F8AD0"
"""Energy flows; also what is as it should be."""
IDLE = "#7A7A7A"
"""Nothing happens, and nothing is wrong."""
ATTENTION = "#CC7F00"
"""Worth a look."""
WRONG = "#BF3826"
"""Something is broken."""
CREDITS = "#A65395"
"""ERE credits, to keep them apart from energy."""
ENDPOINTS = {
    "chargers": CHARGING,
    "sessions": CREDITS,
    "energy": "#34AE9E",
    "ere_position": IDLE,
    "ere_price": "#A0522D",
}
"""Curves of the endpoints; these say which it is, and nothing else."""
