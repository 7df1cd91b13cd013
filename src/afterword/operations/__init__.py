"""What a user can do, a file each: a request, its rules, its records, and the function between them."""
