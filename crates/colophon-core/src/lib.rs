//! The vocabulary of Colophon: formats, marks, declarations, findings, reports, errors and limits.
