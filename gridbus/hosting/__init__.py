"""A plugin in a process of its own: the process itself, and what stands for it in the application."""
