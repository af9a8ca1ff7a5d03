"The library that the lessons in nbs/ grow: one generated module for each lesson."
