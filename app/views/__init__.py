"""Events to pictures: table, histogram. Pure."""
