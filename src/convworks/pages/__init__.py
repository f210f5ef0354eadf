"""Parts of pages, from Jinja2 templates."""
