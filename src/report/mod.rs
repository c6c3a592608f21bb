//! What we show: tables, plots and one self-contained page, from a run folder alone.
