"""From (model, data set, seed) to a record, and from records to a report."""
