"""Animations: a pass, step by step in the drawing of its graph.

    animate   `animate(y)` and the Animation that it returns
    scenes    each step in the drawing, as plain data
    stage     the drawing laid out once for all scenes; tracks, and the Play that they make
    player    from a Play to HTML with a slider; its page, style and script stand beside it
    film      from a Play to an SVG that moves by itself

Explanations give the steps, and drawings the picture.
"""

from autodiff.show.animations.animate import Animation, animate
from autodiff.show.animations.stage import FROM, TO, Play, Track

__all__ = ["FROM", "TO", "Animation", "Play", "Track", "animate"]
