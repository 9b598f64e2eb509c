//! What one viewer's line carries: an estimate from transport-wide feedback, REMB or receiver reports.
