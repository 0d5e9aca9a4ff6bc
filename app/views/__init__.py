"""Events to pictures: table, histogram, flame graph, comparison; and to files of other viewers. Pure."""
