"""Choice to script to policy to process to events to a numbered log."""
