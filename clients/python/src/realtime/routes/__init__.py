"""REST resources, as functions over anything that has get(), post(), put() and delete()."""
