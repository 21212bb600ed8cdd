// When products leave the zeros of the data out: the bits are the same either way.

/** Fewest rows for which it is tried; the layout counts on it. */
export const COMPRESS_MIN_ROWS = 8;

/** Products leave zeros out where fewer than this share of the places remains: below, the way there costs more. */
export const SPARSE_SHARE = 0.85;

/** Times that it is not tried again after too few zeros: the next data will be much the same. */
export const COMPRESS_PAUSE = 31;

/** Fewest columns of the other factor for which it is tried: with half of the places gone, the way there then pays. */
export const SPARSE_MIN_COLUMNS = 64;
