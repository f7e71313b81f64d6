"""Words and looks: numbers, text, names, tables and colours, as all pictures and explanations have them.

    numbers   six digits, counts with their nouns
    text      labels made safe to show, and cut to the room there is
    names     a name for each Value of a graph, names in LaTeX
    given     the names that its source lines and models give it
    tables    tables as text and as HTML
    choices   arguments that are one of a few words
    theme     the palette for light and dark, the tone of a number, the font

Nothing here knows of graphs, but for `names` and `given`.
"""
