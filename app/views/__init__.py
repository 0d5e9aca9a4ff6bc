"""Events to pictures: table, histogram, flame graph. Pure."""
