"""The cluster that kind makes: its machines are containers of Docker, its images come from here."""
