// What every page loads; the rest comes when an element asks for it.
