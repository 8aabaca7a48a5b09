"""What keeps a process apart: sandbox, zygote, wire and meter; of plugins it knows nothing."""
