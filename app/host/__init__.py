"""The live machine: processes, maps, containers, language runtimes."""
