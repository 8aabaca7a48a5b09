"""What stands in the application for plugins that run in processes of their own."""
