-- As a superuser of the upstream server. wal_level and the two numbers need a restart; the last line does not.
-- Each node takes one slot and one sender, and one more of each while it copies the table.
ALTER SYSTEM SET wal_level = 'logical';
ALTER SYSTEM SET max_replication_slots = 20;
ALTER SYSTEM SET max_wal_senders = 20;
-- A node that stays away must not fill this server's disk. Past this it is let go, and copies the table anew by itself.
ALTER SYSTEM SET max_slot_wal_keep_size = '16GB';
