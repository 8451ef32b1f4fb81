"""Write catalogue.jsonl, the data set behind /search: the same bytes on every run.

    python demo_app/sidecar/data/make_catalogue.py

It lies inside the Go module because go:embed reaches no further up; service/ reads the same file.
"""

import json
import random
from pathlib import Path

ENTRIES = 12_000
SEED = 20240229

ADJECTIVES = """
amber ancient arctic autumn brass bright broken calm café clever copper crimson crystal dark deep distant
early electric empty endless fading first forgotten frozen gentle gilded golden grand grey hidden hollow
idle inner iron ivory last late lost lunar midnight misty narrow naïve northern old open pale paper
patient plain quiet rapid remote restless rising rustic scarlet second secret shallow silent silver
simple slow small solar solemn spare steady stone stray sudden tidal torn true twin upper velvet violet
wandering warm white wild winter wooden young
"""
NOUNS = """
acre alley anchor apple archive atlas aviary barn basin bay beacon bell bicycle bird boat book border
bridge brook cabin camera canal candle canyon castle cedar chapel circle clock cloud coast comet compass
courtyard crane creek crossing crown cup dawn delta desert door dune echo engine fable falcon farm ferry
field fire fjörd flame forest forge fountain fox frontier gallery garden gate glacier glass grove hall
harbour harvest hill horizon house island jetty journey kettle key kingdom ladder lake lantern leaf
letter library light lighthouse lock loom map market meadow mill mirror moon mountain museum needle night
oak ocean orchard owl palace path pebble piano pier pilot pine planet pocket pond port prism quarry queen
radio railway rain raven reef ribbon ridge river road roof room rope salt sand school sea shadow shell
ship shore signal sister sky snow song spring square station storm story street stream summer sun swallow
table temple thread tide tower town train tree tunnel valley village violin voyage wall water wave well
wheel willow wind window wolf wood workshop yard
"""
TAGS = """
art astronomy biography botany cartography chemistry children cinema classics coastal comedy cookery
crafts crime drama ecology economics essays family fantasy folklore football gardening geography geology
geometry ghosts gothic history horror humour journalism languages law letters logic maritime mathematics
medicine memoir modern music mystery myth natural-history opera painting philosophy photography physics
poetry politics psychology railways reference romance satire science-fiction short-stories sociology
sport statistics technology theatre thriller travel war western
"""


def title(rng: random.Random) -> str:
    """Return a title of a few words in one of several moulds."""
    adjective, noun, other = (rng.choice(words.split()) for words in (ADJECTIVES, NOUNS, NOUNS))
    mould = rng.choice(
        ["The {a} {n}", "{n} and {o}", "{a} {n} of the {o}", "The {n}'s {o}", "A {a} {n}", "{n}, {o}"]
    )
    text = mould.format(a=adjective.title(), n=noun.title(), o=other.title())
    return f"{text} {rng.randint(2, 9)}" if rng.random() < 0.1 else text


def main() -> None:
    """Write the file beside this script."""
    rng = random.Random(SEED)
    lines = []
    for number in range(1, ENTRIES + 1):
        tags = sorted(rng.sample(TAGS.split(), rng.randint(1, 3)))
        entry = {"id": number, "title": title(rng), "tags": tags, "year": rng.randint(1890, 2024)}
        lines.append(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")
    Path(__file__).with_name("catalogue.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
