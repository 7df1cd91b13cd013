"""HTTP: a request's bytes become a record, and an answer or a failure becomes bytes. It knows no model."""
