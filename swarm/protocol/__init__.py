"""What two programs must agree on: identifiers, formats, records, messages, bounds. Pure."""
