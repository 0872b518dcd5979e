"""Colours that mean something, told apart by colour-blind people too.

Blue, orange, vermilion and purple as in the palette of Okabe and Ito (2008), as dark as it takes to read white on
them and them on white and on black. Nothing is said by a colour alone: there is always a word or a number with it.
"""

from __future__ import annotations

CHARGING = "#2F8AD0"
"""Energy flows; also what is as it should be."""
IDLE = "#7A7A7A"
"""Nothing happens, and nothing is wrong."""
ATTENTION = "#C87800"
"""Worth a look."""
WRONG = "#D55E00"
"""Something is broken."""
CREDITS = "#C0679A"
"""ERE credits, to keep them apart from energy."""
