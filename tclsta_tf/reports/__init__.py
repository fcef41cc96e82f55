"""Tables, figures and the page of a run, from plain numbers: nothing here knows a model."""
