"""Judge molecules as MOSES does: python molecules_judge.py WRITTEN TRAINING TEST, a SMILES a line; prints JSON.

valid: rdkit reads it; novel: of the different valid ones, those not in TRAINING; fcd: the Fréchet ChemNet distance to
as many molecules of TEST.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
from fcd_torch import FCD
from rdkit import Chem, RDLogger

RDLogger.DisableLog("rdApp.*")
if not hasattr(np, "row_stack"):
    np.row_stack = np.vstack  # which fcd_torch calls by its old name


def canonical(line):
    molecule = Chem.MolFromSmiles(line) if line else None
    return None if molecule is None else Chem.MolToSmiles(molecule)


def lines(path):
    return Path(path).read_text(encoding="utf-8").splitlines()


written, training, test = sys.argv[1:]
each = [canonical(line) for line in lines(written)]
valid = [one for one in each if one]
different = set(valid)
known = {canonical(line) for line in different & set(lines(training))} | set(lines(training))
reference = random.Random(0).sample(lines(test), min(len(valid), 30_000))
result = {
    "valid": len(valid) / len(each),
    "novel": sum(one not in known for one in different) / max(1, len(different)),
    "fcd": float(FCD(n_jobs=1, canonize=False)(gen=valid, ref=reference)),
}
print(json.dumps(result))
