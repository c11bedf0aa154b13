"""Renew every catalogue, and say what is still to be translated."""

from scripts.catalogues import CATALOGUES, load, renewed, untranslated

for path in sorted(CATALOGUES.glob("*.po")):
    path.write_text(renewed(path.stem), encoding="utf-8")
    catalogue = load(path.stem)
    missing = untranslated(catalogue)
    print(f"{path.name}: {len(catalogue)} texts, {len(missing)} not translated")
    for text in missing:
        print(f"  {text}")
