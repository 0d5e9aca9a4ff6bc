"""What the native core does, by pyelftools: where no compiler was at hand, and as the tests' measure."""
