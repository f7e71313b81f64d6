"""Animations: a pass, step by step in the drawing of its graph.

animate   `animate(y)` and the Animation that it returns
scenes    what the drawing shows at each step, as plain data
stage     the drawing laid out once for all scenes
player    from there to HTML with a slider; its page, style and script stand beside it
film      from there to an SVG that moves by itself
"""

from autodiff.show.animations.animate import animate

__all__ = ["animate"]
