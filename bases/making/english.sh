#!/bin/bash
# How the base `english` was trained: 658 million characters in nine hours, in eight stages. The same books and seeds give the same
# texts. Run it in the folder of the repository. BOOKS and MODERN are the folders of the texts that docs/base-books.tsv and
# docs/base-modern.tsv list; EARLIER is the first stage, 1 x 768 units trained on the books alone. `widen` gives it 896 units without
# changing its predictions. From the fifth stage on, each stage begins from the mean before it: a mean predicts better than any model in
# it (benchmarks/LOG.md, Making a base). The figures are bits per character of held-out books and of today's prose.
set -e

python -m benchmarks.base_subjects --out judged
TEXTS="python -m bases.making.texts --books BOOKS --books MODERN --share MODERN=0.3 --without judged"
OPTIONS="--seq-length 64 --ngram 0 --dropout 0 --vocabulary char --unwrap no --threads 2"

# The second stage: 88 million characters. Held-out books 1.696, today's prose 1.632 bits per character (first: 1.699, 2.103).
$TEXTS --out text
python -m bases.making.widen EARLIER 896 wide
afterword train text/train.txt --validation text/held-out.txt --out second --base wide --minutes 106 \
    --learning-rate 0.008 --batch-size 64 $OPTIONS

# The third: 89 million. Books 1.676, today's prose 1.592.
afterword train text/train.txt --validation text/held-out.txt --out third --base second --minutes 53 \
    --learning-rate 0.008 --batch-size 128 $OPTIONS

# The fourth: 43 million, with more letters, science and memoir, and wrapped prose in one line. 1.673, 1.589; the mean with the
# third: 1.668, 1.584.
PARTS="--wrapped 0.25 --part novel=0.5 --part verse=1.5 --part drama=1.5 --part travel=1.5 --part philosophy=1.5"
PARTS="$PARTS --part memoir=2 --part letters=2.5 --part science=2.5 --part religion=3"
$TEXTS $PARTS --part "prose epic=0.5" --seed 14 --out text-4
afterword train text-4/train.txt --validation text-4/held-out.txt --out fourth --base third --minutes 66 \
    --learning-rate 0.004 --batch-size 128 $OPTIONS
python -m bases.making.mean third fourth mean --text text-4/held-out.txt
python -m bases.making.ship mean english text-4/books.tsv

# The fifth: 90 million in two trainings, one core each. It gains as a part of the mean: 1.666, 1.580.
$TEXTS $PARTS --part "prose epic=0.5" --seed 15 --out text-5
for CORE in 0 1; do
    taskset -c $CORE afterword train text-5/train.txt --validation text-5/held-out.txt --out fifth-$CORE --base english \
        --minutes 62 --learning-rate 0.008 --batch-size 128 $OPTIONS --threads 1 --seed 3$CORE &
done
wait
ENGLISH=src/afterword/bases/english
python -m bases.making.mean $ENGLISH $ENGLISH fifth-0 fifth-1 last --text text-5/held-out.txt
python -m bases.making.ship last english text-5/books.tsv --text text-5/held-out.txt

# The sixth: 64 million, in pieces of 128 characters. The mean: 1.659, 1.568.
PARTS="${PARTS/novel=0.5/novel=0.7}"
PARTS="${PARTS/religion=3/religion=2.5}"
$TEXTS $PARTS --part "prose epic=0.5" --seed 16 --out text-6
afterword train text-6/train.txt --validation text-6/held-out.txt --out sixth --base english --minutes 62 \
    --learning-rate 0.006 --batch-size 128 $OPTIONS --seq-length 128 --threads 1 --seed 40
python -m bases.making.mean $ENGLISH sixth sixth final --text text-6/held-out.txt
python -m bases.making.ship final english text-6/books.tsv --text text-6/held-out.txt

# The seventh: 57 million, at a lower rate; and the eighth: 121 million in two trainings, lower still. Their mean ships: 1.652, 1.556.
OPTIONS="$OPTIONS --seq-length 128 --threads 1 --batch-size 128"
$TEXTS $PARTS --part "prose epic=0.5" --seed 18 --out text-7
afterword train text-7/train.txt --validation text-7/held-out.txt --out seventh --base english --minutes 64 \
    --learning-rate 0.005 $OPTIONS --seed 51
$TEXTS $PARTS --part "prose epic=0.5" --seed 17 --out text-8
$TEXTS $PARTS --part "prose epic=0.5" --seed 19 --out text-9
python -m bases.making.mean $ENGLISH seventh between --text text-8/held-out.txt
taskset -c 0 afterword train text-8/train.txt --validation text-8/held-out.txt --out eighth-0 --base between --minutes 53 \
    --learning-rate 0.0035 $OPTIONS --seed 60 &
taskset -c 1 afterword train text-9/train.txt --validation text-9/held-out.txt --out eighth-1 --base between --minutes 56 \
    --learning-rate 0.002 $OPTIONS --seed 61 &
wait
python -m bases.making.mean eighth-0 eighth-1 today --text text-9/held-out.txt
python -m bases.making.ship today english text-9/books.tsv --text text-9/held-out.txt
python -m bases.making.sources text-9/books.tsv --lists docs --page $ENGLISH/ATTRIBUTION.md --card $ENGLISH/README.md
