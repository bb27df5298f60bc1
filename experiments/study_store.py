"""The studies of a run: in a file of its folder, or in a storage by address that others share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.addresses import Address, StorageConfig, parse_address
from experiments.config import RunConfig, read_config
from search_spaces.errors import InputError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study

    from experiments.storages import Owner
    from nas.objective import Direction

__all__ = ["STUDY", "StudyStore"]

STUDY = "search"


class StudyStore:
    """Opens the studies of a run folder.

    `say` is told when a server is waited for. In a storage by address a study's name begins with
    the run's, so that many runs share one; the storage is opened once, and what was read of a study
    is read once.
    """

    def __init__(self, config: Path, file: Path) -> None:
        self.config_path, self.file = config, file
        self.say: Callable[[str], None] = lambda _: None
        self._address: Address | None = None
        self._opened: BaseStorage | None = None

    def _config(self) -> RunConfig | None:
        """Reads run.toml; None where there is none, or it is of predicted accuracies."""
        with suppress(InputError):
            return read_config(self.config_path)
        return None

    def placed(self, address: Address | None) -> StorageConfig | None:
        """Says where the run's studies are, as run.toml is to have it; None: in the folder.

        An address that is given is connected to. Raises `InputError` where it cannot be used, or
        the run has its studies elsewhere.
        """
        config = self._config()
        stored = config.storage if config else None
        if address is None:
            return stored
        if config is not None and config.search is not None and stored is None:
            raise InputError(
                f"--storage {address}: the studies of {self.config_path.parent} are in "
                f"{self.file.name} there; leave --storage out, or search in another folder"
            )
        self._address = address
        if stored is None:
            from experiments.storages import new_run_id  # noqa: PLC0415 (heavy)

            self.storage()
            return StorageConfig(address=address.url, run=new_run_id(self.config_path.parent))
        if address.url != stored.address and not self._names(stored):
            raise InputError(
                f"--storage {address}: {self.config_path.parent} has its studies at "
                f"{stored.address}, and there is none of run {stored.run} here"
            )
        return StorageConfig(address=address.url, run=stored.run)

    def storage(self, *, gather: bool = True) -> BaseStorage:
        """Opens the storage, once; raises `InputError` where that cannot be.

        What serves other processes must not `gather` what they write.
        """
        from experiments.storages import file_storage, open_storage  # noqa: PLC0415 (heavy)

        if self._opened is None:
            place = self._address or self._stored_address()
            self._opened = (
                open_storage(place, self._say, gather=gather)
                if place
                else file_storage(self.file, self._say, gather=gather)
            )
        return self._opened

    def _say(self, text: str) -> None:
        self.say(text)

    def _stored_address(self) -> Address | None:
        config = self._config()
        return parse_address(config.storage.address) if config and config.storage else None

    def _owner(self) -> Owner | None:
        from experiments.storages import Owner  # noqa: PLC0415 (heavy)

        config = self._config()
        if config is None or config.search is None:
            return None
        run = config.storage.run if config.storage else None
        return Owner(run, config.search.described_space())

    def _where(self) -> str:
        config = self._config()
        return config.storage.address if config and config.storage else str(self.file)

    def study(self, name: str, directions: Sequence[Direction]) -> Study:
        """Opens a study of the run, or creates it; raises `InputError` for one of another run."""
        from experiments.storages import open_study  # noqa: PLC0415 (heavy)

        owner = self._owner()
        full = f"{owner.run}/{name}" if owner and owner.run else name
        return open_study(self.storage(), full, directions, owner, self._where())

    def searches(self) -> list[Study]:
        """Opens the studies of all seeds' searches that have begun, the first seed's first."""
        import optuna  # noqa: PLC0415 (heavy)

        config = self._config()
        names = self._names(config.storage if config else None)
        if not names:
            return []
        owner, storage, where = self._owner(), self.storage(), self._where()
        found = [optuna.load_study(study_name=name, storage=storage) for name in names]
        if owner is not None:
            for study in found:
                owner.check(study, where)
        return found

    def _names(self, stored: StorageConfig | None) -> list[str]:
        """Lists the names of the studies of the run's searches."""
        if stored is None and not self.file.is_file():
            return []
        first = f"{stored.run}/{STUDY}" if stored else STUDY
        names = [study.study_name for study in self.storage().get_all_studies()]
        ours = [name for name in names if name == first or name.startswith(f"{first}-")]
        return sorted(ours, key=lambda name: (len(name), name))
