"""The routes of the API: each a request, a reply, and the function between them."""
