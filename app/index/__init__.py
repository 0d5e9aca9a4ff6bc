"""Facts to columns on disk to answers: build, store, search, query."""
