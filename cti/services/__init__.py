"""What steps of real calls use: `ivr.services` filled by databases, hosts, files and an outbox."""
