"""Pages for readers, and the module that makes their generated parts."""
