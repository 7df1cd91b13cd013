"""Judge molecules as MOSES does: python molecules_judge.py WRITTEN TRAINING TEST, a SMILES a line; prints JSON.

valid: rdkit reads it; unique@10k: different ones among the valid of the first 10,000; novel: of the different valid
ones, those not in TRAINING; diversity: one minus the mean Tanimoto similarity of Morgan fingerprints (radius 2, 1,024
bits), over 5,000 of the valid; fcd: the Fréchet ChemNet distance to as many molecules of TEST.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
from fcd_torch import FCD
from rdkit import Chem, DataStructs, RDLogger
from rdkit.Chem import rdFingerprintGenerator

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
first = [one for one in each[:10_000] if one]
different = set(valid)
known = {canonical(line) for line in different & set(lines(training))} | set(lines(training))
some = random.Random(0).sample(valid, min(5000, len(valid)))
generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
prints = [generator.GetFingerprint(Chem.MolFromSmiles(one)) for one in some]
similar = np.mean([np.mean(DataStructs.BulkTanimotoSimilarity(one, prints)) for one in prints])
reference = random.Random(0).sample(lines(test), min(len(valid), 30_000))
result = {
    "valid": len(valid) / len(each),
    "unique@10k": len(set(first)) / max(1, len(first)),
    "novel": sum(one not in known for one in different) / max(1, len(different)),
    "diversity": float(1 - similar),
    "fcd": float(FCD(n_jobs=1, canonize=False)(gen=valid, ref=reference)),
}
print(json.dumps(result))
