-- Run as a superuser of the upstream server. wal_level and the two limits need a restart; the last line does not.
-- Each node uses one slot and one sender, and one more of each during a full copy of the table.
ALTER SYSTEM SET wal_level = 'logical';
ALTER SYSTEM SET max_replication_slots = 20;
ALTER SYSTEM SET max_wal_senders = 20;
-- A node that stays away must not fill this server's disk. Beyond this limit the server drops its slot's log, and the node makes a
-- full copy of the table when it is back.
ALTER SYSTEM SET max_slot_wal_keep_size = '16GB';
