"""The converter on hostile files: whatever comes in, only an EdgeError may come out, soon and in bounded memory.

places     where a .tflite file keeps its references, counts and numbers
mutate     damaged copies: by places that mean something, and by chance
run        `make fuzz`
corpus/    what was found once; every file must be refused or converted
"""
