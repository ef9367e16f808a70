"""Documents -> claims: tables are found, read and understood; nothing is measured."""
