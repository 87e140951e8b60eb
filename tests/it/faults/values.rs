//! JSON and values: documents and rows that are not as documented (F77 to F88).
