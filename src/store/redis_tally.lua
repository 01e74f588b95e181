-- redis_tally.lua -- tally_count() of weigh/tally.c, on the text in the server.
--
-- KEYS[1]  the tally
-- ARGV     now, amount, once (hash; empty: nothing), is_total, counts_refused (0 or 1),
--          raise_until, raise (rates as text), number of rates, then of each: most, period
-- returns  "FLAGS[ PERIOD USED WAIT MOST]..."; FLAGS: 1 first, 2 free
--
-- The entries of a window stay text: what is old is cut off in front, what is new put behind.
-- Numbers are doubles: times and amounts are below 2^53.  A text that cannot be read counts as
-- nothing.

local EXACT, ENTRIES_MAX, SEEN_MAX, WINDOWS_MAX = 128, 258, 128, 4
local MOST_MAX, PERIOD_MAX = 1000000000000000, 400 * 24 * 3600 * 1000
local ENTRY_LEN, SEEN_LEN = 33, 50 -- of the longest, and the comma in front
local UNIT = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 }
local find, match, sub, format = string.find, string.match, string.sub, string.format

local now_text, once, raise = ARGV[1], ARGV[3], ARGV[7]
local now, amount, raise_until = tonumber(now_text), tonumber(ARGV[2]), tonumber(ARGV[6])
local is_total, counts_refused = ARGV[4] == '1', ARGV[5] == '1'
local rates, rate_of = {}, {}
for i = 1, tonumber(ARGV[8]) do
	local rate = { most = tonumber(ARGV[7 + 2 * i]), period = tonumber(ARGV[8 + 2 * i]) }
	rates[i] = rate
	rate_of[rate.period] = rate
end

local windows, seen, raised, raised_until, noticed, refused

-- ENTRIES_MAX is reached only by those of which there may be EXACT: others count as 0.
local function count_of(list, least_len)
	if #list + 1 < EXACT * (least_len + 1) then
		return 0
	end
	local _, commas = string.gsub(list, ',', '')
	return commas + 1
end

local function entry_count(window)
	local plus = find(window.text, '+', 1, true)
	return plus and count_of(window.text, plus + 1) or 0
end

local function put_behind(list, item)
	return list == '' and item or list .. ',' .. item
end

-- The last of a list: where it starts, its time, and how it is written if that is now.
local function entry_tail(list)
	local start, _, at, sum = find(list, '(%d+)%+(%d+)$', -ENTRY_LEN)
	return start, tonumber(at), now_text .. '+' .. sum
end

local function seen_tail(list)
	local start, _, front, at = find(list, '(%x+[+-]%d+%+)(%d+)$', -SEEN_LEN)
	return start, tonumber(at), front .. now_text
end

-- What is from the future is from now.
local function pull_back(list, tail)
	local pulled = {}
	while list ~= '' do
		local start, at, item = tail(list)
		if at <= now then
			break
		end
		table.insert(pulled, 1, item)
		list = sub(list, 1, math.max(start - 2, 0))
	end
	for _, item in ipairs(pulled) do
		list = put_behind(list, item)
	end
	return list
end

local function slide(window)
	local list, from, oldest = pull_back(window.text, entry_tail), 1, now - window.period
	while from <= #list do
		local at, sum, behind = match(list, '^(%d+)%+(%d+)()', from)
		if tonumber(at) >= oldest then
			break
		end
		window.used = window.used - tonumber(sum)
		from = behind + 1
	end
	window.text = from > 1 and sub(list, from) or list
end

local function window_insert(window)
	local at = #windows + 1
	while at > 1 and windows[at - 1].period > window.period do
		at = at - 1
	end
	table.insert(windows, at, window)
end

local function window_of(period)
	for _, window in ipairs(windows) do
		if window.period == period then
			return window
		end
	end
end

-- "window PERIOD USED LIST; seen LIST; raised UNTIL RATES; over UNTIL REFUSED"
local function parse(text)
	local from = 1
	windows, seen, raised, raised_until, noticed, refused = {}, '', 'none', 0, 0, 0
	while from <= #text do
		local behind = find(text, '; ', from, true) or #text + 1
		local word = match(text, '^%a+ ', from)
		if word == 'window ' then
			local period, used, list = match(text, '^(%d+) (%d+) ()', from + 7)
			window_insert({ period = tonumber(period), used = tonumber(used),
					text = sub(text, list, behind - 1) })
		elseif word == 'seen ' then
			seen = sub(text, from + 5, behind - 1)
		elseif word == 'raised ' then
			raised_until, raised = match(sub(text, from, behind - 1), '^raised (%d+) (.*)$')
			raised_until = tonumber(raised_until)
		elseif word == 'over ' then
			noticed, refused = match(text, '^over (%d+) (%d+)', from)
			noticed, refused = tonumber(noticed), tonumber(refused)
		else
			error('none of ours')
		end
		from = behind + 2
	end
	assert(#windows <= WINDOWS_MAX)
end

local function slide_seen()
	local from = 1
	local oldest = now - (#windows > 0 and windows[#windows].period or 0)
	seen = pull_back(seen, seen_tail)
	while from <= #seen do
		local at, behind = match(seen, '^%x+[+-]%d+%+(%d+)()', from)
		if tonumber(at) >= oldest then
			break
		end
		from = behind + 1
	end
	if from > 1 then
		seen = sub(seen, from)
	end
end

local function slide_all()
	for i = #windows, 1, -1 do
		slide(windows[i])
		if windows[i].text == '' then
			table.remove(windows, i)
		end
	end
	slide_seen()
	if raised_until <= now then
		raised_until, raised = 0, 'none'
	end
	if noticed <= now then
		noticed, refused = 0, 0
	end
	raised_until = math.min(raised_until, now + PERIOD_MAX)
	noticed = math.min(noticed, now + PERIOD_MAX)
end

local function raise_limit()
	if raise_until == 0 then
		return false
	end
	if raise_until <= now then
		local was_raised = raised_until > 0
		raised_until, raised = 0, 'none'
		return was_raised
	end
	raised_until, raised = math.min(raise_until, now + PERIOD_MAX), raise
	return true
end

-- A window for a new period, from the next longer one or else the longest.
local function window_begin(period)
	local begun, from = { period = period, used = 0, text = '' }, 1
	while from < #windows and windows[from].period < period do
		from = from + 1
	end
	if windows[from] then
		begun.used, begun.text = windows[from].used, windows[from].text
	end
	slide(begun)
	if #windows == WINDOWS_MAX then
		local unused = 1
		while rate_of[windows[unused].period] do
			unused = unused + 1
		end
		table.remove(windows, unused)
	end
	window_insert(begun)
end

-- Where in seen it stands, the place behind it, its amount, and whether it was refused.
local function seen_find()
	local start = once ~= '' and find(seen, once, 1, true)
	while start do
		local sign, sum, behind = match(seen, '^([+-])(%d+)%+%d+()', start + 16)
		if sign and (start == 1 or sub(seen, start - 1, start - 1) == ',') then
			return start, behind, tonumber(sum), sign == '-'
		end
		start = find(seen, once, start + 1, true)
	end
end

local function raised_most(period)
	if raised_until == 0 then
		return -1
	end
	if raised == 'none' then
		return MOST_MAX
	end
	for most, number, unit in string.gmatch(raised, '(%d+)/(%d+)(%a+)') do
		if tonumber(number) * UNIT[unit] == period then
			return tonumber(most)
		end
	end
	return -1
end

-- Join also what was kept as it came.
local function tighten(window)
	local kept, grain = {}, math.ceil(window.period / EXACT)
	for at, sum in string.gmatch(window.text, '(%d+)%+(%d+)') do
		local entry = { at = tonumber(at), sum = tonumber(sum) }
		if #kept >= 2 and entry.at - kept[#kept - 1].at < grain then
			entry.sum = entry.sum + kept[#kept].sum
			kept[#kept] = entry
		else
			kept[#kept + 1] = entry
		end
	end
	for i, entry in ipairs(kept) do
		kept[i] = format('%d+%d', entry.at, entry.sum)
	end
	window.text = table.concat(kept, ',')
	return #kept
end

local function charge(window, added)
	local count = entry_count(window)
	local sum = math.min(added, MOST_MAX - window.used)
	if sum == 0 then
		return
	end
	if count >= ENTRIES_MAX then
		count = tighten(window)
	end
	window.used = window.used + sum
	if count >= EXACT then
		local start, _, before, last, last_sum =
			find(window.text, '(%d+)%+%d+,(%d+)%+(%d+)$', -2 * ENTRY_LEN)
		if now - tonumber(before) < math.ceil(window.period / EXACT) then
			window.text = sub(window.text, 1, -(#last + #last_sum + 3))
			sum = sum + tonumber(last_sum)
		end
	end
	window.text = put_behind(window.text, now_text .. '+' .. format('%d', sum))
end

local function wait_of(window, added, most)
	local excess, wait, from = window.used + added - most, 0, 1
	if added > most then
		return window.period
	end
	while excess > 0 and from <= #window.text do
		local at, sum, behind = match(window.text, '^(%d+)%+(%d+)()', from)
		excess = excess - tonumber(sum)
		wait = tonumber(at) + window.period + 1 - now
		from = behind + 1
	end
	return wait
end

local function remember_once(start, behind, before, added, is_over)
	if once == '' then
		return
	end
	if not start and count_of(seen, 20) >= SEEN_MAX then
		start, behind = 1, find(seen, ',', 1, true)
	end
	if start then
		local front = sub(seen, 1, math.max(start - 2, 0))
		local rest = sub(seen, behind + 1)
		seen = rest == '' and front or put_behind(front, rest)
	end
	seen = put_behind(seen, format('%s%s%d+%s', once, is_over and '-' or '+',
				       math.min((before or 0) + added, MOST_MAX), now_text))
end

local function notice(uses)
	local worst
	for _, use in ipairs(uses) do
		if use.is_over and (not worst or use.wait > worst.wait) then
			worst = use
		end
	end
	local is_first = noticed == 0
	if is_first then
		noticed = now + worst.period
	end
	refused = math.min(refused, MOST_MAX - 1) + 1
	return is_first
end

-- Its text, and when it is forgotten.
local function written()
	local parts, expires = {}, math.max(now, raised_until, noticed)
	for _, window in ipairs(windows) do
		if window.text ~= '' then
			local _, at = entry_tail(window.text)
			parts[#parts + 1] = format('window %d %d %s', window.period, window.used,
						   window.text)
			expires = math.max(expires, at + window.period + 1)
		end
	end
	if seen ~= '' then
		parts[#parts + 1] = 'seen ' .. seen
	end
	if raised_until > 0 or (#parts == 0 and noticed == 0) then
		parts[#parts + 1] = format('raised %d %s', raised_until, raised)
	end
	if noticed > 0 then
		parts[#parts + 1] = format('over %d %d', noticed, refused)
	end
	return table.concat(parts, '; '), expires
end

-- What is to be answered; and, where something has changed, what is to be written.
local function count(text)
	parse(text)
	slide_all()
	local changed, uses, is_over, is_first = raise_limit(), {}, false, false
	for _, rate in ipairs(rates) do
		if not window_of(rate.period) then
			window_begin(rate.period)
		end
	end

	local added = amount
	local start, behind, before, was_refused = seen_find()
	if start and is_total then
		added = math.max(added - before, 0)
	end
	was_refused = was_refused and raised_until == 0
	local is_free = added == 0 and not was_refused

	for i, rate in ipairs(rates) do
		local window, lifted = window_of(rate.period), raised_most(rate.period)
		local most = lifted >= 0 and lifted or rate.most
		local used = window.used + added
		if was_refused and used <= most then
			used = most + 1
		end
		uses[i] = { period = rate.period, used = used, wait = 0, lifted = lifted,
			    most = most, is_over = used > most }
		is_over = is_over or (used > most and not is_free)
	end

	if added > 0 and #rates > 0 and (counts_refused or not is_over) then
		for _, window in ipairs(windows) do
			charge(window, added)
		end
		remember_once(start, behind, before, added, is_over)
		changed = true
	end
	if is_over then
		for _, use in ipairs(uses) do
			if use.is_over then
				use.wait = wait_of(window_of(use.period), added, use.most)
			end
		end
		is_first = notice(uses)
		changed = true
	end

	local said = { (is_first and 1 or 0) + (is_free and 2 or 0) }
	for _, use in ipairs(uses) do
		said[#said + 1] = format('%d %d %d %d', use.period, use.used, use.wait, use.lifted)
	end
	said = table.concat(said, ' ')
	if changed then
		return said, written()
	end
	return said
end

local text = redis.pcall('GETRANGE', KEYS[1], 0, 49152)
if type(text) == 'table' then
	return text
end
local is_ours, said, after, expires = pcall(count, text)
if not is_ours then
	said, after, expires = count('')
end
if after then
	local done
	if expires > now then
		done = redis.pcall('SET', KEYS[1], after, 'PX', format('%d', expires - now))
	else
		done = redis.pcall('DEL', KEYS[1])
	end
	if type(done) == 'table' and done.err then
		return done
	end
end
return said
