# Takes a Markdown page apart: awk -v folder=FOLDER -f blocks.awk PAGE.md
#
# Each fenced block becomes FOLDER/NN.KIND (NN counts from 01; KIND is what stands behind the fence, "none" without), and
# one line on standard output:  NN KIND LINE NOTE
# LINE is the number of the fence's line; NOTE is what an HTML comment on the line above the fence says, "-" without one.
# The text around the blocks goes to FOLDER/text.
/^```/ {
  if (inside) {
    close(file)
    inside = 0
    note = "-"
    next
  }
  inside = 1
  kind = substr($0, 4)
  if (kind !~ /^[a-z]+$/) kind = "none"
  number = sprintf("%02d", ++count)
  file = folder "/" number "." kind
  printf "" > file
  print number, kind, NR, note == "" ? "-" : note
  next
}
inside {
  print > file
  next
}
{
  note = "-"
  if ($0 ~ /^<!-- .* -->$/) note = substr($0, 6, length($0) - 9)
  print > (folder "/text")
}
END { exit inside }
