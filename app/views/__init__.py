"""Events to pictures: table, histogram, flame graph; and to files of other viewers. Pure."""
