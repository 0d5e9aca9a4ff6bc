"""One router a noun; each has the noun's pages and its JSON under /api/v1."""
