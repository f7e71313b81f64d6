"""Words: numbers, names, tables, colours and text, as every picture and every explanation writes them."""
